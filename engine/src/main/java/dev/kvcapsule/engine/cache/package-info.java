/**
 * What a KV cache is: layers, heads, element types, RoPE, attention windows and token positions, and the off-heap memory that holds the
 * keys and values. Nothing here knows a file format or a compression method.
 */
package dev.kvcapsule.engine.cache;
