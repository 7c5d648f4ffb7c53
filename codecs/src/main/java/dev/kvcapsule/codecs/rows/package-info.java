/** Rows as quantizers want them: floats, with RoPE undone where a codec asks for it. */
package dev.kvcapsule.codecs.rows;
