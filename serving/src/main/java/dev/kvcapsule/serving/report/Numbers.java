package dev.kvcapsule.serving.report;

import java.util.Locale;

/** Figures as a page shows them. */
final class Numbers {
    private static final String[] UNITS = {"B", "KB", "MB", "GB", "TB"};

    private Numbers() {}

    /** Three significant digits; a dash for what is not a number. */
    static String figure(double value) {
        if (Double.isNaN(value)) {
            return "–";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "∞" : "−∞";
        }
        double size = Math.abs(value);
        if (size == 0) {
            return "0";
        }
        if (size < 0.000995) {
            return String.format(Locale.ROOT, "%.1e", value).replace("e-0", "e−").replace("e-", "e−");
        }
        int decimals = Math.max(0, 2 - (int) Math.floor(Math.log10(size * 1.0005)));
        return String.format(Locale.ROOT, "%." + decimals + "f", value);
    }

    /** A number of 1, 2 or 5 times a power of ten, in the fewest characters. */
    static String tick(double value) {
        int exponent = (int) Math.floor(Math.log10(value) + 1e-9);
        long digit = Math.round(value / Math.pow(10, exponent));
        if (exponent < -4 || exponent > 5) {
            return digit + "e" + (exponent < 0 ? "−" : "") + Math.abs(exponent);
        }
        return String.format(Locale.ROOT, "%." + Math.max(0, -exponent) + "f", value);
    }

    /** 0.9512 as 95.1. */
    static String percent(double share) {
        return Double.isNaN(share) ? "–" : String.format(Locale.ROOT, "%.1f", 100 * share);
    }

    /** Two decimals. */
    static String ratio(double ratio) {
        return String.format(Locale.ROOT, ratio < 99.995 ? "%.2f" : "%.0f", ratio);
    }

    /** Three digits and a decimal unit. */
    static String bytes(double bytes) {
        double value = bytes;
        int unit = 0;
        while (value >= 999.5 && unit < UNITS.length - 1) {
            value /= 1000;
            unit++;
        }
        int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
        return String.format(Locale.ROOT, "%." + decimals + "f %s", value, UNITS[unit]);
    }

    /** Megabytes a second, as a bare number. */
    static String rate(double bytesPerSecond) {
        double value = bytesPerSecond / 1e6;
        return String.format(Locale.ROOT, value < 9.95 ? "%.1f" : "%.0f", value);
    }

    /** Coordinates of a plot. */
    static String pixel(double value) {
        String text = String.format(Locale.ROOT, "%.1f", value);
        return text.endsWith(".0") ? text.substring(0, text.length() - 2) : text;
    }
}
