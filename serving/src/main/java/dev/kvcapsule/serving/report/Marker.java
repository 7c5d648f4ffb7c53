package dev.kvcapsule.serving.report;

/** Shapes that tell families apart where colours do not. */
enum Marker {
    CIRCLE("M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z"),
    SQUARE("M-4.5 -4.5H4.5V4.5H-4.5Z"),
    TRIANGLE("M0 -5.8L5.4 4.2H-5.4Z"),
    DIAMOND("M0 -6.2L6.2 0L0 6.2L-6.2 0Z"),
    WEDGE("M0 5.8L5.4 -4.2H-5.4Z"),
    HEXAGON("M-5.6 0L-2.8 -4.9H2.8L5.6 0L2.8 4.9H-2.8Z"),
    CROSS("M-2 -5.6H2V-2H5.6V2H2V5.6H-2V2H-5.6V-2H-2Z"),
    STAR("M0 -6.8L1.7 -2.3L6.5 -2.1L2.7 0.9L4 5.5L0 2.8L-4 5.5L-2.7 0.9L-6.5 -2.1L-1.7 -2.3Z"),
    RIGHT("M5.8 0L-4.2 5.4V-5.4Z"),
    LEFT("M-5.8 0L4.2 5.4V-5.4Z");

    /** Half of the side of the square that each shape fits in. */
    static final double RADIUS = 6.8;

    /** Colours of the style sheet: as many as {@code .c0} to {@code .c7}. */
    private static final int COLOURS = 8;

    private final String path;

    Marker(String path) {
        this.path = path;
    }

    String path() {
        return path;
    }

    /** Of the family of that number. */
    static Marker of(int family) {
        return values()[family % values().length];
    }

    /** The class that gives the family of that number its colour. */
    static String colour(int family) {
        return "c" + family % COLOURS;
    }
}
