/**
 * llama.cpp: state files read and written, GGUF headers read.
 *
 * <p>A state is an envelope ({@link dev.kvcapsule.serving.llamacpp.GgsqFormat}, {@link dev.kvcapsule.serving.llamacpp.BufferFormat},
 * {@link dev.kvcapsule.serving.llamacpp.GgsnFormat}) around a payload of up to two attention caches and a recurrent state. Everything is
 * little-endian and packed. The payload does not describe itself: how many caches there are, whether cells carry M-RoPE positions and whether
 * layers have V is found by trying what {@link dev.kvcapsule.serving.ModelFacts} leave open; exactly one reading has to end with the file.
 *
 * <p>What is not a tensor is kept with the cache, so that the file can be rebuilt to the byte without the model.
 *
 * <p>Sub-caches are named {@code kv} (alone), {@code base} and {@code swa} (global and sliding-window layers; also an attention cache and its
 * indexer), with {@code .<stream>} behind the name if the cache has more than one stream. Empty caches and streams have no sub-cache.
 *
 * <p>Blobs, each left out if it is empty:
 * <ul>
 * <li>{@code llamacpp.prompt}: the prompt words of the envelope, i32 each (see {@link dev.kvcapsule.serving.llamacpp.PromptWords})
 * <li>{@code llamacpp.cells.<sub-cache>}: the cell records as they are in the file: position i32, n_seq_id u32, the extension, n_seq_id x i32. Left
 * out if every cell is of the same single sequence and has no extension
 * <li>{@code llamacpp.recurrent}: the recurrent state as it is in the file
 * </ul>
 *
 * <p>Origin facts:
 * <ul>
 * <li>{@code format}: ggsq, ggsn or buffer; {@code version}: of a GGSQ or GGSN file; {@code prefix}: 1 if a buffer begins with magic and sequence
 * id, else 0; {@code prefix-sequence}: that id; {@code architecture}: the name in a GGSN file
 * <li>{@code blocks}: the parts of the payload in order, of kv, base, swa, recurrent, separated by commas
 * <li>{@code streams.<block>}: n_stream, if it is not 1
 * <li>{@code sequence.<sub-cache>}: the sequence id of every cell, where there is no blob of cells
 * <li>{@code extension.<sub-cache>}: bytes of each cell's extension, 8 (x, y) or 12 (x, y, token), if it is not 0
 * <li>{@code hadamard.K}, {@code hadamard.V}: {@code possible} if rows are quantized in heads of a multiple of 64 channels: llama.cpp since April
 * 2026 may have rotated them by a Hadamard matrix, which the file does not record. Such keys carry no RoPE in their layout
 * <li>{@code model.<fact>}: the model's identity, from its GGUF file
 * </ul>
 */
package dev.kvcapsule.serving.llamacpp;
