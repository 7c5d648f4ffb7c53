package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.keys.DigestName;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.sessions.Overwriting;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Sealed capsules that the gateway keeps for its users: a folder a user, named by a digest, a file a capsule, named by its id. Capsules describe themselves; there is nothing beside them. */
final class CapsuleStore implements AutoCloseable {
    private static final Pattern ID = Pattern.compile("[0-9a-f]{32}");
    private static final String SUFFIX = ".kvc";
    private static final String UNNAMED = ".new";

    private final Path folder;
    private final FolderLock lock;
    /** Users for whom a capsule is being written. */
    private final Map<Principal.Owner, Quota> writing = new HashMap<>();
    private final long mostBytes;
    private final InstantSource clock;

    private CapsuleStore(Path folder, FolderLock lock, long mostBytes, InstantSource clock) {
        this.folder = folder;
        this.lock = lock;
        this.mostBytes = mostBytes;
        this.clock = clock;
    }

    /**
     * Opens the store, which is made if it is not there, and removes what a gateway that was killed has left half written.
     *
     * @param mostBytes for each user
     * @throws IOException if it cannot be written to, or another gateway uses it: each would count its own writing only
     */
    static CapsuleStore open(Path folder, long mostBytes, InstantSource clock) throws IOException {
        Files.createDirectories(folder);
        FolderLock lock = FolderLock.take(folder, "store");
        try {
            sweep(folder);
            return new CapsuleStore(folder, lock, mostBytes, clock);
        } catch (IOException e) {
            lock.close();
            throw e;
        }
    }

    private static void sweep(Path folder) throws IOException {
        try (DirectoryStream<Path> users = Files.newDirectoryStream(folder, Files::isDirectory)) {
            for (Path user : users) {
                try (DirectoryStream<Path> left = Files.newDirectoryStream(user, "{*" + UNNAMED + ",.*.part}")) {
                    for (Path file : left) {
                        Files.deleteIfExists(file);
                    }
                }
            }
        }
    }

    /** A capsule that is kept. @param claims what it says of itself; nothing was verified */
    record Kept(SealClaims claims, Manifest manifest, long bytes) {}

    /** A user's capsules, newest first. */
    List<Kept> list(Principal.Owner owner) throws IOException {
        List<Kept> kept = new ArrayList<>();
        if (Files.isDirectory(folder(owner))) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder(owner), "*" + SUFFIX)) {
                for (Path file : files) {
                    try {
                        kept.add(read(file));
                    } catch (CapsuleRefusedException | MalformedDataException | RequestException e) {
                        // Damaged, or deleted meanwhile: it hides none of the others.
                    }
                }
            }
        }
        kept.sort((a, b) -> b.claims.created().compareTo(a.claims.created()));
        return kept;
    }

    /** @throws RequestException if this user has none of that id */
    Kept get(Principal.Owner owner, String id) throws IOException {
        return read(file(owner, id));
    }

    /** @throws RequestException if this user has none of that id */
    Path file(Principal.Owner owner, String id) {
        Path file = folder(owner).resolve(id + SUFFIX);
        if (!ID.matcher(id).matches() || !Files.isRegularFile(file)) {
            throw new RequestException(404, "not-found", "no such capsule for this caller");
        }
        return file;
    }

    void delete(Principal.Owner owner, String id) throws IOException {
        Files.deleteIfExists(file(owner, id));
    }

    /** Ids of a user's capsules that were sealed for a session until a time. */
    Set<String> ofSession(Principal.Owner owner, String session, Instant until) throws IOException {
        return list(owner).stream().map(Kept::claims).filter(claims -> claims.scope().session().equals(Optional.of(session)) && !claims.created().isAfter(until)).map(SealClaims::id)
                .collect(Collectors.toSet());
    }

    /** Removes a capsule, whose head, with its wrapped data key, is overwritten first. It may be gone already. */
    void destroy(Principal.Owner owner, String id) throws IOException {
        Path file = folder(owner).resolve(id + SUFFIX);
        try {
            Overwriting.head(file);
        } catch (NoSuchFileException e) {
            return;
        }
        Files.deleteIfExists(file);
    }

    /** Writes a capsule. */
    interface Source {
        /** @return the capsule's id, once all of it is written */
        String write(WritableByteChannel out) throws IOException;
    }

    /**
     * Keeps a new capsule: it is there, whole, when this returns. Expired ones of this user make room.
     *
     * @throws RequestException if what is this user's is full
     */
    Kept add(Principal.Owner owner, Source source) throws IOException {
        Path mine = folder(owner);
        Files.createDirectories(mine);
        Quota quota = quota(owner);
        Path unnamed = mine.resolve(UUID.randomUUID() + UNNAMED);
        long unused = 0;
        try {
            String id;
            try (AtomicOutput out = AtomicOutput.create(unnamed)) {
                Counted counted = new Counted(out.channel(), quota);
                try {
                    id = source.write(counted);
                    out.commit();
                } catch (IOException | RuntimeException | Error e) {
                    unused = counted.written;
                    throw e;
                }
            }
            Files.move(unnamed, mine.resolve(id + SUFFIX), StandardCopyOption.ATOMIC_MOVE);
            return get(owner, id);
        } finally {
            Files.deleteIfExists(unnamed);
            quota.giveBack(unused);
            giveBack(owner, quota);
        }
    }

    private Quota quota(Principal.Owner owner) throws IOException {
        synchronized (writing) {
            Quota quota = writing.get(owner);
            if (quota == null) {
                quota = new Quota(mostBytes - used(owner));
                writing.put(owner, quota);
            }
            quota.writers++;
            return quota;
        }
    }

    private void giveBack(Principal.Owner owner, Quota quota) {
        synchronized (writing) {
            if (--quota.writers == 0) {
                writing.remove(owner);
            }
        }
    }

    /** Bytes of everything in a user's folder, whatever it is, once expired capsules are gone. */
    private long used(Principal.Owner owner) throws IOException {
        Instant now = clock.instant();
        for (Kept kept : list(owner)) {
            if (!now.isBefore(kept.claims.expires())) {
                Files.deleteIfExists(folder(owner).resolve(kept.claims.id() + SUFFIX));
            }
        }
        long used = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder(owner))) {
            for (Path file : files) {
                used += size(file);
            }
        }
        return used;
    }

    private static long size(Path file) throws IOException {
        try {
            return Files.size(file);
        } catch (NoSuchFileException e) {
            // Deleted meanwhile.
            return 0;
        }
    }

    /** What one user may still write, shared by all that write for that user: none of them counts on bytes that another takes. */
    private static final class Quota {
        private long room;
        private int writers;

        Quota(long room) {
            this.room = room;
        }

        synchronized void take(long bytes) {
            if (bytes > room) {
                throw new RequestException(507, "store-full", "this user's capsules would take more bytes than are theirs: delete some");
            }
            room -= bytes;
        }

        synchronized void giveBack(long bytes) {
            room += bytes;
        }
    }

    /** Takes no more than there is room for. */
    private static final class Counted implements WritableByteChannel {
        private final WritableByteChannel out;
        private final Quota quota;
        private long written;

        Counted(WritableByteChannel out, Quota quota) {
            this.out = out;
            this.quota = quota;
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            int all = source.remaining();
            quota.take(all);
            written += all;
            int count = out.write(source);
            quota.giveBack(all - count);
            written -= all - count;
            return count;
        }

        @Override
        public boolean isOpen() {
            return out.isOpen();
        }

        @Override
        public void close() throws IOException {
            out.close();
        }
    }

    private static Kept read(Path file) throws IOException {
        try (InputFile in = InputFile.open(file); PublicOpening opening = PublicOpening.showing()) {
            Manifest manifest = CapsuleReader.of(in.bytes(), opening).manifest();
            return new Kept(opening.claims(), manifest, in.bytes().byteSize());
        } catch (NoSuchFileException e) {
            throw new RequestException(404, "not-found", "no such capsule for this caller");
        }
    }

    private Path folder(Principal.Owner owner) {
        return folder.resolve(DigestName.of(owner.org(), owner.user()));
    }

    /** Gives the store back. */
    @Override
    public void close() throws IOException {
        lock.close();
    }
}
