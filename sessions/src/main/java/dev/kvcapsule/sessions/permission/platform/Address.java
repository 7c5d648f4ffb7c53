package dev.kvcapsule.sessions.permission.platform;

import dev.kvcapsule.engine.MalformedDataException;
import java.net.URI;
import java.net.URISyntaxException;

/** A platform's address. */
public final class Address {
    private Address() {}

    /**
     * Reads one.
     *
     * @param text {@code http://HOST[:PORT][/PATH]}, or https; without a user, query or fragment, which is where secrets would be
     * @return without a slash at its end
     * @throws MalformedDataException if it is none
     */
    public static URI of(String text) throws MalformedDataException {
        try {
            URI address = new URI(text.replaceAll("/+$", ""));
            if (address.getHost() != null && ("http".equals(address.getScheme()) || "https".equals(address.getScheme())) && address.getRawUserInfo() == null && address.getRawQuery() == null
                    && address.getRawFragment() == null) {
                return address;
            }
        } catch (URISyntaxException e) {
            // Said below.
        }
        throw new MalformedDataException("http://HOST[:PORT][/PATH] or https://..., without user, query and fragment, was expected");
    }

    /** Whether whoever is on the way could change what comes back. */
    public static boolean isOpen(URI address) {
        return "http".equals(address.getScheme()) && !address.getHost().matches("localhost|127\\..*|\\[::1]");
    }
}
