package dev.kvcapsule.engine.calibration;

import dev.kvcapsule.engine.cache.CacheLayout;
import dev.kvcapsule.engine.cache.LayerLayout;
import dev.kvcapsule.engine.cache.Part;
import dev.kvcapsule.engine.cache.SubCache;

/**
 * How many layers to transform together where nobody says: as many as there are, since the ratio grows with the width, up to where the covariance
 * (8 bytes times the square of the width) and the basis outgrow an ordinary machine.
 */
public final class GroupWidth {
    /** Channels of the widest transform that is chosen by itself: a covariance of 2 GiB. */
    public static final int WIDEST = 16_384;

    private GroupWidth() {}

    /**
     * The fewest groups of equal numbers of layers that are at most {@link #WIDEST} channels of K and V wide in every sub-cache; a single layer that is
     * wider is a group of its own.
     *
     * @return layers a group, or 0 for all of a sub-cache ({@link CalibrationOptions#layersPerGroup})
     */
    public static int layersPerGroup(CacheLayout model) {
        int most = 0;
        boolean all = true;
        for (SubCache sub : model.subCaches()) {
            int layers = sub.layers().size();
            long widest = sub.layers().stream().mapToLong(GroupWidth::width).max().orElse(0);
            if (widest * layers > WIDEST) {
                int fitting = (int) Math.max(1, WIDEST / widest);
                int even = Math.ceilDiv(layers, Math.ceilDiv(layers, fitting));
                most = all ? even : Math.min(most, even);
                all = false;
            }
        }
        return most;
    }

    private static long width(LayerLayout layer) {
        return (long) layer.width(Part.KEY) + layer.width(Part.VALUE);
    }
}
