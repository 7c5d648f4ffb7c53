package dev.kvcapsule.cli;

import java.time.Duration;
import java.time.Instant;

/** How long ago something was, as people say it. */
final class Age {
    private Age() {}

    static String of(Instant then, Instant now) {
        long seconds = Math.max(0, Duration.between(then, now).toSeconds());
        return seconds < 120 ? seconds + " s ago" : seconds < 7200 ? seconds / 60 + " min ago" : seconds < 172_800 ? seconds / 3600 + " h ago" : seconds / 86_400 + " d ago";
    }
}
