package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.keys.DigestName;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class CapsuleStoreTest {
    private static final Principal.Owner ANN = new Principal.Owner("acme", "ann");
    private static final Principal.Owner BOB = new Principal.Owner("acme", "bob");

    @TempDir
    private Path folder;

    /** What a source says that has written its bytes and has nothing to keep. */
    private static final class Written extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private CapsuleStore open(long mostBytes) throws IOException {
        return CapsuleStore.open(folder.resolve("store"), mostBytes, InstantSource.system());
    }

    private Path users(Principal.Owner owner) throws IOException {
        return Files.createDirectories(folder.resolve("store").resolve(DigestName.of(owner.org(), owner.user())));
    }

    private static void write(CapsuleStore store, Principal.Owner owner, int bytes, Runnable then) throws IOException {
        store.add(owner, out -> {
            out.write(ByteBuffer.wrap(new byte[bytes]));
            then.run();
            throw new Written();
        });
    }

    private static void fits(CapsuleStore store, Principal.Owner owner, int bytes) {
        assertThrows(Written.class, () -> write(store, owner, bytes, () -> {}));
    }

    private static void isTooMuch(CapsuleStore store, Principal.Owner owner, int bytes) {
        assertEquals("store-full", assertThrows(RequestException.class, () -> write(store, owner, bytes, () -> {})).code());
    }

    @Test
    void whatAKilledGatewayLeftHalfWrittenIsRemoved() throws IOException {
        Path half = Files.write(users(ANN).resolve(".1f0c.new.77ab.part"), new byte[500]);
        Path unnamed = Files.write(users(BOB).resolve("1f0c.new"), new byte[500]);
        Path kept = Files.write(users(ANN).resolve("0".repeat(32) + ".kvc"), new byte[100]);
        try (CapsuleStore store = open(1000)) {
            assertFalse(Files.exists(half) || Files.exists(unnamed));
            assertTrue(Files.exists(kept));
            fits(store, BOB, 1000);
        }
    }

    @Test
    void everyByteCountsAlsoOfWhatCannotBeRead() throws IOException {
        Files.write(users(ANN).resolve("0".repeat(32) + ".kvc"), new byte[300]);
        Files.write(users(ANN).resolve("else"), new byte[300]);
        try (CapsuleStore store = open(1000)) {
            isTooMuch(store, ANN, 401);
            fits(store, ANN, 400);
        }
    }

    @Test
    void twoAtOnceShareOneUsersRoom() throws Exception {
        try (CapsuleStore store = open(1000)) {
            CountDownLatch written = new CountDownLatch(1);
            CountDownLatch enough = new CountDownLatch(1);
            CompletableFuture<Void> first = CompletableFuture.runAsync(() -> assertThrows(Written.class, () -> write(store, ANN, 600, () -> {
                written.countDown();
                try {
                    enough.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            })), Thread::startVirtualThread);
            written.await();
            isTooMuch(store, ANN, 401);
            fits(store, ANN, 400);
            fits(store, BOB, 1000);
            enough.countDown();
            first.get();
            fits(store, ANN, 1000);
        }
    }

    @Test
    void aStoreBelongsToOneGateway() throws IOException {
        CapsuleStore store = open(1000);
        assertTrue(assertThrows(IOException.class, () -> open(1000)).getMessage().contains("another gateway"));
        store.close();
        open(1000).close();
        store.close();
    }
}
