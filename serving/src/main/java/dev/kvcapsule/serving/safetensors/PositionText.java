package dev.kvcapsule.serving.safetensors;

import dev.kvcapsule.engine.cache.Positions;

/** Token positions as text: runs {@code START+LENGTH} separated by commas, such as {@code 512+100,0+412}. */
final class PositionText {
    private static final int MAX_RUNS = 1 << 20;

    private PositionText() {}

    /** @throws IllegalArgumentException if the text has another form or a run is out of range */
    static Positions parse(String text) {
        String[] parts = text.split(",", MAX_RUNS + 1);
        if (parts.length > MAX_RUNS) {
            throw new IllegalArgumentException("more than " + MAX_RUNS + " runs of positions");
        }
        long[] runs = new long[2 * parts.length];
        try {
            for (int r = 0; r < parts.length; r++) {
                int plus = parts[r].indexOf('+', 1);
                runs[2 * r] = Long.parseLong(parts[r], 0, Math.max(plus, 0), 10);
                runs[2 * r + 1] = Long.parseLong(parts[r], plus + 1, parts[r].length(), 10);
            }
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw new IllegalArgumentException("expected runs of positions such as 512+100,0+412", e);
        }
        for (int r = 0; r < runs.length; r += 2) {
            if (runs[r] < 0) {
                throw new IllegalArgumentException("a run of positions begins below 0");
            }
        }
        return Positions.ofRuns(runs);
    }

    static String format(Positions positions) {
        long[] runs = positions.runs();
        StringBuilder text = new StringBuilder();
        for (int r = 0; r < runs.length; r += 2) {
            text.append(r == 0 ? "" : ",").append(runs[r]).append('+').append(runs[r + 1]);
        }
        return text.toString();
    }
}
