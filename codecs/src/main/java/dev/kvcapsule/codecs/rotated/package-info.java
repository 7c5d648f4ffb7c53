/** Randomized Hadamard rotation and Lloyd-Max quantization (TurboQuant, arXiv 2504.19874). */
package dev.kvcapsule.codecs.rotated;
