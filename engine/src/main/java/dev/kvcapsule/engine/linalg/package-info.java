/**
 * Dense linear algebra that calibration needs: Gram matrices, eigenvectors, products. {@link dev.kvcapsule.engine.linalg.LinearAlgebras} says who computes:
 * a native library where one can be had, else plain Java.
 */
package dev.kvcapsule.engine.linalg;
