package dev.kvcapsule.cli;

import dev.kvcapsule.serving.files.FolderBases;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Where shared bases are. */
final class BasisOptions {
    @Option(names = "--basis", paramLabel = "B.kvb", description = "A shared basis, from 'capsule calibrate'; may be given more than once. The folder of the capsule, and "
            + "bases/ in CAPSULE_HOME, are searched anyway.")
    private List<Path> files = new ArrayList<>();

    /** The digest of the basis to encode with; empty if none was named. */
    Optional<String> digest() throws IOException {
        if (files.isEmpty()) {
            return Optional.empty();
        }
        if (files.size() > 1) {
            throw new Failures.UsageException("--basis names " + files.size() + " bases; one capsule is encoded with one");
        }
        return Optional.of(Inputs.about(files.getFirst().toString(), () -> FolderBases.digest(files.getFirst())));
    }

    /** Digests of all that were named, in order. */
    List<String> digests() throws IOException {
        List<String> digests = new ArrayList<>();
        for (Path file : files) {
            digests.add(Inputs.about(file.toString(), () -> FolderBases.digest(file)));
        }
        return digests;
    }

    /** @param capsule beside which bases may lie; {@code -} is a stream */
    FolderBases open(Path capsule) {
        List<Path> folders = new ArrayList<>();
        Path folder = Inputs.isStandard(capsule) ? null : capsule.toAbsolutePath().getParent();
        if (folder != null) {
            folders.add(folder);
        }
        folders.add(home().resolve("bases"));
        return new FolderBases(files, folders);
    }

    /** The folder of what this program keeps: {@code CAPSULE_HOME}, or the place for data of the XDG Base Directory Specification. */
    static Path home() {
        String named = System.getenv("CAPSULE_HOME");
        if (named != null && !named.isEmpty()) {
            return Path.of(named);
        }
        String data = System.getenv("XDG_DATA_HOME");
        Path base = data != null && Path.of(data).isAbsolute() ? Path.of(data) : Path.of(System.getProperty("user.home"), ".local", "share");
        return base.resolve("kvcapsule");
    }
}
