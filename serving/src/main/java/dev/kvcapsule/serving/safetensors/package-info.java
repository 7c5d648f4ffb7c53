/**
 * KV caches as safetensors files, for whatever else reads them: one tensor for the keys and one for the values of each layer.
 *
 * <p>Tensors: {@code layers.<i>.key} and {@code layers.<i>.value}, shape [1, KV heads, tokens, channels] as in a Hugging Face cache, dtype F16, BF16,
 * F32 or F8_E4M3; a layer may lack its value tensor. {@code tokens}, optional: the token ids, I32 or I64, shape [tokens]. Keys are stored after
 * RoPE. Any other tensor is refused.
 *
 * <p>{@code __metadata__}, all optional, for every layer or, with {@code .<i>} behind the key, for one:
 * <ul>
 * <li>{@code rope}: how keys are rotated, in the form of {@link dev.kvcapsule.serving.RopeText}
 * <li>{@code window}: the attention window in tokens, 0 for global
 * <li>{@code positions}: the positions of the tokens as runs {@code START+LENGTH} separated by commas; without it, 0, 1, 2, ...
 * </ul>
 * Other metadata is kept. Layers of equal positions and kind of attention make up one sub-cache, global layers first.
 *
 * <p>Blobs: {@code safetensors.header}, the length field and the JSON; {@code safetensors.tokens}, the token ids, in the type that the origin fact
 * {@code tokens-type} names.
 */
package dev.kvcapsule.serving.safetensors;
