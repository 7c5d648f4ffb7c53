package dev.kvcapsule.gateway;

import java.util.HashMap;
import java.util.Map;

/** How many requests each user has under way: a quarter of all places is always left to others. */
final class OwnerPlaces {
    private final int most;
    private final Map<Principal.Owner, Integer> taken = new HashMap<>();

    /** @param places of all users */
    OwnerPlaces(int places) {
        this.most = places - places / 4;
    }

    /** @throws RequestException if the user has as many under way as one may have */
    synchronized void take(Principal.Owner owner) {
        int mine = taken.getOrDefault(owner, 0);
        if (mine >= most) {
            throw new RequestException(503, "busy", "too many requests of this user's are under way");
        }
        taken.put(owner, mine + 1);
    }

    /** Says that one of them is over. */
    synchronized void giveBack(Principal.Owner owner) {
        taken.computeIfPresent(owner, (key, mine) -> mine == 1 ? null : mine - 1);
    }
}
