package dev.kvcapsule.sessions.workspace;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The revision of a worktree of git.
 *
 * @param worktree its folder
 * @param repository address of its remote {@code origin}, without credentials
 * @param branch empty if no branch is checked out
 * @param commit empty if there is none yet
 * @param dirty whether something differs from the commit
 * @param diffDigest SHA-256 of what differs, untracked files included
 */
public record Revision(String worktree, Optional<String> repository, Optional<String> branch, Optional<String> commit, boolean dirty, String diffDigest) {
    /** The fields by name. */
    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("worktree", worktree);
        repository.ifPresent(text -> map.put("repository", text));
        branch.ifPresent(text -> map.put("branch", text));
        commit.ifPresent(text -> map.put("commit", text));
        map.put("dirty", dirty);
        map.put("diff_digest", diffDigest);
        return map;
    }

    /** What has moved since then, a line each. @param now empty if the folder is no worktree any more */
    public List<String> drift(Optional<Revision> now) {
        List<String> lines = new ArrayList<>();
        if (now.isEmpty()) {
            return List.of(worktree + " is no git worktree any more");
        }
        compare("repository", repository, now.get().repository, lines);
        compare("branch", branch, now.get().branch, lines);
        compare("commit", commit, now.get().commit, lines);
        if (!diffDigest.equals(now.get().diffDigest)) {
            lines.add(!now.get().dirty ? "uncommitted changes are gone" : dirty ? "uncommitted changes are others" : "there are uncommitted changes now");
        }
        return lines;
    }

    private static void compare(String what, Optional<String> then, Optional<String> now, List<String> lines) {
        if (!then.equals(now)) {
            lines.add(what + " was " + then.orElse("none") + ", is " + now.orElse("none"));
        }
    }

    /** Branch, commit and whether it is dirty, in a few characters. */
    public String brief() {
        return branch.orElse("detached") + " " + commit.map(id -> id.substring(0, Math.min(10, id.length()))).orElse("without commit") + (dirty ? " + changes" : "");
    }
}
