/** OpenBLAS through the foreign function interface, without JNI. */
package dev.kvcapsule.blas;
