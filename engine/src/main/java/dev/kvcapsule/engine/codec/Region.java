package dev.kvcapsule.engine.codec;

/** Where in a sub-cache's token order a tile lies. */
public enum Region {
    /** The first tokens, which every later token attends to (attention sinks, arXiv 2309.17453). */
    SINK,
    /** Everything between. */
    BODY,
    /** The last tokens (KIVI's residual window). */
    WINDOW
}
