/**
 * The contract between the engine and a compression method: a codec cuts a cache into tiles and is a pure function from a tile to bytes and
 * back. Codecs are found by {@link java.util.ServiceLoader}; none lives here.
 */
package dev.kvcapsule.engine.codec;
