/** Differences to anchor tokens, quantized more coarsely in later layers (CacheGen, arXiv 2310.07240). */
package dev.kvcapsule.codecs.cachegen;
