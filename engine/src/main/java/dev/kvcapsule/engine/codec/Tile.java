package dev.kvcapsule.engine.codec;

/**
 * The unit of work, of threads, of random access and of authentication: consecutive tensors of one sub-cache over a range of tokens. Tensors
 * are numbered K of layer 0, V of layer 0, K of layer 1, ... within the sub-cache.
 *
 * @param subCache index of the sub-cache
 * @param firstTensor first tensor number
 * @param tensors how many tensor numbers it spans (those of absent V are empty)
 * @param firstToken first token, in token order (rising position)
 * @param tokens number of tokens
 * @param region sinks, body or window
 * @param exact whether it is coded losslessly whatever the codec
 */
public record Tile(int subCache, int firstTensor, int tensors, int firstToken, int tokens, Region region, boolean exact) {}
