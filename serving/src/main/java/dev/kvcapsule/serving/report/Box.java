package dev.kvcapsule.serving.report;

/** A rectangle on a plot. */
record Box(double left, double top, double right, double bottom) {
    static Box around(double x, double y, double radius) {
        return new Box(x - radius, y - radius, x + radius, y + radius);
    }

    boolean meets(Box other) {
        return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }

    boolean holds(Box other) {
        return other.left >= left && other.right <= right && other.top >= top && other.bottom <= bottom;
    }

    /** Whether a straight line between two points passes through: clipped side by side (Liang-Barsky). */
    boolean crosses(double x1, double y1, double x2, double y2) {
        double[] p = {x1 - x2, x2 - x1, y1 - y2, y2 - y1};
        double[] q = {x1 - left, right - x1, y1 - top, bottom - y1};
        double from = 0;
        double to = 1;
        for (int side = 0; side < 4; side++) {
            if (p[side] == 0) {
                if (q[side] < 0) {
                    return false;
                }
            } else if (p[side] < 0) {
                from = Math.max(from, q[side] / p[side]);
            } else {
                to = Math.min(to, q[side] / p[side]);
            }
        }
        return from < to;
    }
}
