package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.Manifest;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.engine.seal.SealClaims;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;
import java.util.regex.Pattern;

/** Sealed capsules that the gateway keeps for its users: a folder a user, named by a digest, a file a capsule, named by its id. Capsules describe themselves; there is nothing beside them. */
final class CapsuleStore {
    private static final Pattern ID = Pattern.compile("[0-9a-f]{32}");
    private static final String SUFFIX = ".kvc";
    private static final int NAME_BYTES = 20;

    private final Path folder;
    private final long mostBytes;
    private final InstantSource clock;

    /** @param mostBytes for each user */
    CapsuleStore(Path folder, long mostBytes, InstantSource clock) {
        this.folder = folder;
        this.mostBytes = mostBytes;
        this.clock = clock;
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
        long room = room(owner);
        Path unnamed = mine.resolve(UUID.randomUUID() + ".new");
        try {
            String id;
            try (AtomicOutput out = AtomicOutput.create(unnamed)) {
                id = source.write(new Quota(out.channel(), room));
                out.commit();
            }
            Files.move(unnamed, mine.resolve(id + SUFFIX), StandardCopyOption.ATOMIC_MOVE);
            return get(owner, id);
        } finally {
            Files.deleteIfExists(unnamed);
        }
    }

    private long room(Principal.Owner owner) throws IOException {
        Instant now = clock.instant();
        long used = 0;
        for (Kept kept : list(owner)) {
            if (now.isBefore(kept.claims.expires())) {
                used += kept.bytes;
            } else {
                Files.deleteIfExists(folder(owner).resolve(kept.claims.id() + SUFFIX));
            }
        }
        return mostBytes - used;
    }

    /** Takes no more than there is room for. */
    private static final class Quota implements WritableByteChannel {
        private final WritableByteChannel out;
        private long room;

        Quota(WritableByteChannel out, long room) {
            this.out = out;
            this.room = room;
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            if (source.remaining() > room) {
                throw new RequestException(507, "store-full", "this user's capsules would take more bytes than are theirs: delete some");
            }
            int count = out.write(source);
            room -= count;
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
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : new String[] {owner.org(), owner.user()}) {
                byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
                // Lengths keep the parts apart: (ab, c) is not (a, bc).
                digest.update((bytes.length + ":").getBytes(StandardCharsets.US_ASCII));
                digest.update(bytes);
            }
            return folder.resolve(HexFormat.of().formatHex(digest.digest(), 0, NAME_BYTES));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }
}
