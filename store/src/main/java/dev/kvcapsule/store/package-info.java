/**
 * A local store of immutable records, each under a key of {@value dev.kvcapsule.store.StoreKey#DIGITS} hexadecimal digits.
 *
 * <p>A folder with {@code NNNNNNNN.seg}, segments that records are appended to through a mapping, {@code NNNNNNNN.idx} beside each that takes no more, and {@code lock}. A record is a header of
 * 112 bytes and its bytes, padded to 16; its magic number is written last. All is little-endian:
 *
 * <pre>
 * segment:  0 "KVSEG\r\n\x1a"  | 8 version u32 = 1 | 12 0
 * record:   0 "KVCR" | 4 crc u32 of bytes 8..111 | 8 length u64 | 16 expires u64, unix seconds | 24 written u64 | 32 key (64) | 96 crc u32 of its bytes | 100 0
 * index:    "KVIDX\r\n\x1a" | version u32 = 1 | count u32 | end of the segment u64 | count x (key (64) | offset u64 | length u64 | expires u64) | crc u32 of all before
 * </pre>
 *
 * CRCs are CRC-32C. The segments alone say what is there: an index that is missing, damaged or of another length is made anew from its segment.
 */
package dev.kvcapsule.store;
