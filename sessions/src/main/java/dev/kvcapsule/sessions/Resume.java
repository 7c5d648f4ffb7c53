package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.format.CapsuleSummary;
import dev.kvcapsule.engine.seal.PublicOpening;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.sessions.chunks.PartsSource;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import dev.kvcapsule.sessions.gateway.GatewayException;
import dev.kvcapsule.sessions.row.CapsuleBoundary;
import dev.kvcapsule.sessions.workspace.Git;
import dev.kvcapsule.sessions.workspace.Revision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * Loads a session's checkpoint, says what has moved since, and puts its capsule back into a slot. Nothing about a capsule makes a resume fail.
 *
 * @param state the checkpoint, with this resume noted
 * @param drift what has moved in the workspace, a line each
 * @param outcome what came of the capsule
 */
public record Resume(SessionState state, List<String> drift, ResumeNote outcome) {
    /**
     * What is wanted.
     *
     * @param client the gateway; empty if none is known
     * @param slot where the capsule goes; empty leaves it to the gateway
     * @param capsule whether it is to be used at all
     * @param fork whether the session has become another one, so that an older capsule is no replay
     * @param dry whether to look only, and change nothing
     */
    public record Wish(Optional<GatewayClient> client, OptionalInt slot, boolean capsule, boolean fork, boolean dry) {}

    /**
     * Resumes.
     *
     * @param state its checkpoint
     */
    public static Resume of(OpenSession session, SessionState state, Wish wish) throws IOException {
        List<String> drift = drift(state);
        long start = System.nanoTime();
        ResumeNote outcome = outcome(session, state, wish, start);
        SessionState noted = wish.dry ? state : state.resumed(outcome);
        if (!wish.dry) {
            session.write(noted);
        }
        return new Resume(noted, drift, outcome);
    }

    /** What has moved in the workspace and among the artifacts since a checkpoint. */
    public static List<String> drift(SessionState state) {
        List<String> lines = new ArrayList<>();
        if (state.revision().isPresent()) {
            Revision then = state.revision().get();
            try {
                lines.addAll(then.drift(Git.revision(Path.of(then.worktree()))));
            } catch (IOException e) {
                lines.add("what has moved in " + then.worktree() + " cannot be told: " + e.getMessage());
            }
        }
        for (var artifact : state.artifacts()) {
            String since = artifact.since();
            if (!since.equals("same") && !since.equals("absent")) {
                lines.add("artifact " + artifact.path() + " is " + since);
            }
        }
        return lines;
    }

    private static double since(long start) {
        return (System.nanoTime() - start) / 1e9;
    }

    private static ResumeNote outcome(OpenSession session, SessionState state, Wish wish, long start) {
        Instant now = Instant.now();
        if (!wish.capsule) {
            return ResumeNote.prefill(now, "not-asked", "no capsule was wanted", 0);
        }
        if (state.capsule().isEmpty()) {
            return ResumeNote.prefill(now, "no-capsule", "the checkpoint has no capsule", 0);
        }
        CapsuleNote note = state.capsule().get();
        Path file = session.capsule(note);
        try {
            if (!Files.isRegularFile(file)) {
                return ResumeNote.prefill(now, "lost", "the capsule's file is not there any more", 0);
            }
            if (!now.isBefore(note.expires())) {
                return ResumeNote.prefill(now, "expired", "the capsule could be used until " + note.expires(), 0);
            }
            if (wish.client.isEmpty()) {
                return ResumeNote.prefill(now, "no-gateway", "no gateway is known: give --gateway and --token-file", 0);
            }
            return new Attempt(session, note, file, wish, now, start).outcome();
        } catch (GatewayException e) {
            return ResumeNote.prefill(now, e.code(), e.getMessage(), since(start));
        } catch (CapsuleRefusedException e) {
            return ResumeNote.prefill(now, e.code().toOutsiders().label(), e.getMessage(), since(start));
        } catch (MalformedDataException e) {
            return ResumeNote.prefill(now, "malformed", e.getMessage(), since(start));
        } catch (IOException e) {
            return ResumeNote.prefill(now, "io", MalformedDataException.oneLine(String.valueOf(e.getMessage())), since(start));
        }
    }

    /** One try to use a capsule. */
    private record Attempt(OpenSession session, CapsuleNote note, Path file, Wish wish, Instant now, long start) {
        ResumeNote outcome() throws IOException {
            Optional<CapsuleBoundary> boundary = session.boundary();
            Optional<CapsuleCut> cut = CapsuleCut.of(note, boundary);
            if (cut.isPresent() && cut.get().keptTokens() == 0) {
                return ResumeNote.prefill(now, "compacted", "the compacted conversation begins with none of the capsule's tokens", 0);
            }
            Optional<GatewayClient.Prefix> prefix = cut.map(at -> new GatewayClient.Prefix(at.keptTokens(), boundary.orElseThrow().digest()));
            if (wish.dry) {
                return looked(cut);
            }
            try {
                return restored(prefix, cut, "");
            } catch (GatewayException e) {
                if (prefix.isEmpty() || !e.code().equals(RefusalCode.WRONG_PREFIX.label())) {
                    throw e;
                }
                // Its agent's prompts begin otherwise than was counted, with tools perhaps: what both have in common the server finds.
                return restored(Optional.empty(), Optional.empty(), "; as a whole, since it begins with other tokens than were counted when the session was compacted");
            }
        }

        /** Without a gateway, which alone can open it, whether the capsule is whole can be seen. */
        private ResumeNote looked(Optional<CapsuleCut> cut) throws IOException {
            try (InputFile in = InputFile.open(file); PublicOpening opening = PublicOpening.showing()) {
                CapsuleSummary.read(CapsuleReader.of(in.bytes(), opening));
                if (!opening.claims().chunks().isEmpty() && !PartsSource.areThere(file, session.chunks(), wanted(cut))) {
                    return lostChunks();
                }
                return new ResumeNote(now, ResumeNote.RESTORED, "dry-run", "the capsule is whole and would be sent", OptionalLong.empty(), OptionalLong.empty(), 0, OptionalDouble.empty(), cut);
            }
        }

        private static long wanted(Optional<CapsuleCut> cut) {
            return cut.map(CapsuleCut::keptTokens).orElse(Long.MAX_VALUE);
        }

        private ResumeNote lostChunks() {
            return ResumeNote.prefill(now, "lost", "a chunk that the capsule goes on from is not there any more, or damaged: 'capsule store verify' tells", 0);
        }

        private ResumeNote restored(Optional<GatewayClient.Prefix> prefix, Optional<CapsuleCut> cut, String remark) throws IOException {
            GatewayClient client = wish.client.get();
            GatewayClient.Wanted wanted = new GatewayClient.Wanted(wish.slot, note.session(), wish.fork, prefix);
            if (note.chunks() == 0) {
                return restored(client.restore(wanted, file), cut, remark);
            }
            try (PartsSource parts = PartsSource.open(file, session.chunks(), wanted(cut)).orElse(null)) {
                return parts == null ? lostChunks() : restored(client.restore(wanted, parts), cut, remark);
            }
        }

        private ResumeNote restored(GatewayClient.Restored restored, Optional<CapsuleCut> cut, String remark) {
            double seconds = since(start);
            OptionalDouble rate = restored.prefillRate().isPresent() ? restored.prefillRate() : note.prefillRate();
            OptionalDouble prefill = rate.isPresent() && restored.tokensReused().isPresent() ? OptionalDouble.of(restored.tokensReused().getAsLong() / rate.getAsDouble()) : OptionalDouble.empty();
            String message = "slot " + restored.slot() + (restored.code().equals("ok") ? " holds " + restored.tokens() + " tokens"
                    : ": the server took the state and evaluated its tokens anyway, as it does for models with a sliding window or a recurrent state") + remark;
            return new ResumeNote(now, restored.verdict(), restored.code(), message, restored.tokensReused(), restored.tokensEvaluated(), seconds, prefill, cut);
        }
    }
}
