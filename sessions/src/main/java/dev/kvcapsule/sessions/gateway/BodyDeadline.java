package dev.kvcapsule.sessions.gateway;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/** Closes an answer's body when its time is over, so that whoever waits for its bytes waits no longer. Closing this first leaves the body alone. */
final class BodyDeadline implements AutoCloseable {
    private final Thread timer;

    BodyDeadline(InputStream body, Duration most) {
        this.timer = Thread.ofVirtual().name("kvcapsule-deadline").start(() -> {
            try {
                Thread.sleep(most);
                body.close();
            } catch (InterruptedException e) {
                // In time.
            } catch (IOException e) {
                // Broken already: its reader hears of it.
            }
        });
    }

    @Override
    public void close() {
        timer.interrupt();
    }
}
