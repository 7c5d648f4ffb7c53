/** Low rank, computed from the prompt, with quantized factors (the family of xKV, arXiv 2503.18893, and SVDq, arXiv 2502.15304). */
package dev.kvcapsule.codecs.svd;
