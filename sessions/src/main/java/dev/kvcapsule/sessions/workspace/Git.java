package dev.kvcapsule.sessions.workspace;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** Asks the git command what a folder's revision is. */
public final class Git {
    /** Larger untracked files count by size and time of change: digests of data sets would take longer than they are worth. */
    private static final long DIGESTED_BYTES = 16 << 20;

    private final Path folder;

    private Git(Path folder) {
        this.folder = folder;
    }

    /**
     * The revision of the worktree that a folder is in.
     *
     * @return empty if it is in none, or there is no git command
     * @throws IOException if git fails within a worktree
     */
    public static Optional<Revision> revision(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        Optional<String> root = new Git(folder).line("rev-parse", "--show-toplevel");
        return root.isPresent() ? Optional.of(new Git(Path.of(root.get())).revision()) : Optional.empty();
    }

    private Revision revision() throws IOException {
        Optional<String> commit = line("rev-parse", "--verify", "--quiet", "HEAD");
        MessageDigest digest = sha256();
        long before = 0;
        try (DigestOutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
            if (commit.isPresent()) {
                before += copy(out, "diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD");
            }
            before += untracked(out);
        }
        return new Revision(folder.toString(), line("config", "--get", "remote.origin.url").map(Git::withoutCredentials), line("symbolic-ref", "--quiet", "--short", "HEAD"), commit, before > 0,
                HexFormat.of().formatHex(digest.digest()));
    }

    /** Names, and contents or what stands for them, of files that git does not know and does not ignore. @return how many */
    private long untracked(OutputStream out) throws IOException {
        ByteArrayOutputStream names = new ByteArrayOutputStream();
        copy(names, "ls-files", "--others", "--exclude-standard", "-z");
        long count = 0;
        for (String name : names.toString(StandardCharsets.UTF_8).split("\0")) {
            if (name.isEmpty()) {
                continue;
            }
            count++;
            Path file = folder.resolve(name);
            out.write((name + "\0").getBytes(StandardCharsets.UTF_8));
            try {
                if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && Files.isReadable(file)) {
                    if (Files.size(file) <= DIGESTED_BYTES) {
                        Files.copy(file, out);
                    } else {
                        out.write((Files.size(file) + " " + Files.getLastModifiedTime(file)).getBytes(StandardCharsets.UTF_8));
                    }
                }
            } catch (IOException e) {
                // Gone, or changed in this moment, as files of a running agent are: its name counts.
            }
        }
        return count;
    }

    /** An address may carry a password: https://user:secret@host/path. */
    static String withoutCredentials(String address) {
        return address.replaceFirst("^([a-z+]+://)[^/@]*@", "$1");
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("SHA-256", e);
        }
    }

    private Process start(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile()).redirectError(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("GIT_OPTIONAL_LOCKS", "0");
        Process process = builder.start();
        process.getOutputStream().close();
        return process;
    }

    /** The command's one line; empty if it fails, which is how git says no. */
    private Optional<String> line(String... arguments) throws IOException {
        Process process;
        try {
            process = start(arguments);
        } catch (IOException e) {
            return Optional.empty();
        }
        try (InputStream in = process.getInputStream()) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
            return process.waitFor() == 0 && !text.isEmpty() ? Optional.of(text) : Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private long copy(OutputStream out, String... arguments) throws IOException {
        Process process = start(arguments);
        try (InputStream in = process.getInputStream()) {
            long bytes = in.transferTo(out);
            if (process.waitFor() != 0) {
                throw new IOException("git " + arguments[0] + " fails in " + folder);
            }
            return bytes;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
