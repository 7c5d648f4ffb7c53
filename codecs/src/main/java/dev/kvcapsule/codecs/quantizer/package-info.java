/** What codecs that quantize share: rows as floats, with RoPE undone where a codec asks for it, and the streams of a tensor. */
package dev.kvcapsule.codecs.quantizer;
