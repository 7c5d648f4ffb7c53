/** Asymmetric group quantization, K per channel and V per token (KIVI, arXiv 2402.02750). */
package dev.kvcapsule.codecs.kivi;
