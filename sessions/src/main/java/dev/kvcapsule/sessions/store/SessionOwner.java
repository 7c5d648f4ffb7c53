package dev.kvcapsule.sessions.store;

/**
 * Whose sessions: a store shows one owner's, and knows of no others.
 *
 * @param org organisation
 * @param user user
 */
public record SessionOwner(String org, String user) {
    private static final int LONGEST = 256;

    /** Of this machine's user, where nobody else is. */
    public static final SessionOwner LOCAL = new SessionOwner("", "");

    /** @throws IllegalArgumentException if a name is longer than 256 characters or has control characters */
    public SessionOwner {
        for (String name : new String[] {org, user}) {
            if (name.length() > LONGEST || name.chars().anyMatch(Character::isISOControl)) {
                throw new IllegalArgumentException("an owner's names have at most " + LONGEST + " characters, none of them a control character");
            }
        }
    }
}
