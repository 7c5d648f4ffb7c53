package dev.kvcapsule.cli;

/** Codecs by what users want. */
enum Profile {
    /** Every bit comes back. */
    EXACT("lossless"),
    /** Memory speed. */
    FAST("kivi:bits=4,residual=32,sink=4,entropy=off"),
    /** A good ratio at a damage that is hard to see. */
    BALANCED("rotated:bits=4"),
    /** The best ratio. */
    SMALL("rotated:bits=3");

    private final String codec;

    Profile(String codec) {
        this.codec = codec;
    }

    String codec() {
        return codec;
    }
}
