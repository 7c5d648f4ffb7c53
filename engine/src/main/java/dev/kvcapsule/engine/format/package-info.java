/**
 * The capsule's bytes, as docs/format.md specifies them: a file header, then frames (manifest, blobs, tiles, index, trailer), then a footer.
 * Writing needs no seeking; reading needs none either, and uses the index where the source can seek.
 */
package dev.kvcapsule.engine.format;
