package dev.kvcapsule.gateway;

import dev.kvcapsule.serving.files.AtomicOutput;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * The owners of slots in a file, since the llama-server keeps its slots when the gateway ends. It is written before anything of a new owner's gets into a slot, and after
 * what was there has been erased: whenever the gateway is killed, the file never gives a slot's contents to another user.
 */
final class SlotOwners {
    private final Path file;

    SlotOwners(Path file) {
        this.file = file;
    }

    /** @return as many as there are slots; empty where nothing is known: a file that is not there, is damaged, or was written for other slots gives nobody anything */
    List<Optional<Principal.Owner>> read(int slots) throws IOException {
        List<Optional<Principal.Owner>> owners = new ArrayList<>();
        try {
            JsonArray stored = Files.exists(file) ? new JsonArray(Files.readString(file)) : new JsonArray();
            for (int i = 0; i < slots; i++) {
                JsonObject owner = stored.size() == slots ? stored.getJsonObject(i) : null;
                owners.add(owner == null ? Optional.empty() : Optional.of(new Principal.Owner(owner.getString("org"), owner.getString("user"))));
            }
            return owners;
        } catch (DecodeException | ClassCastException e) {
            return Collections.nCopies(slots, Optional.empty());
        }
    }

    void write(List<Optional<Principal.Owner>> owners) throws IOException {
        JsonArray array = new JsonArray();
        for (Optional<Principal.Owner> owner : owners) {
            array.add(owner.map(known -> new JsonObject().put("org", known.org()).put("user", known.user())).orElse(null));
        }
        AtomicOutput.write(file, array.encode().getBytes(StandardCharsets.UTF_8));
    }
}
