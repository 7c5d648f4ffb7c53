package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.gateway.ClientTls;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * The gateway that a session was checkpointed with, so that a resume need not be told.
 *
 * @param url its address
 * @param tokenFile path of the file that holds the token, never the token; empty if a certificate stands for it
 * @param tls files of certificates
 * @param slot the slot
 */
public record GatewayNote(String url, Optional<String> tokenFile, ClientTls tls, int slot) {
    static GatewayNote read(Fields fields) throws MalformedDataException {
        Optional<Path> certificate = fields.text("certificate").map(Path::of);
        Optional<Path> key = fields.text("certificate_key").map(Path::of);
        Optional<ClientTls.Identity> identity = certificate.flatMap(file -> key.map(own -> new ClientTls.Identity(file, own)));
        return new GatewayNote(fields.required("url"), fields.text("token_file"), new ClientTls(fields.text("authorities").map(Path::of), identity),
                Math.toIntExact(Math.clamp(fields.number("slot").orElse(0), 0, Integer.MAX_VALUE)));
    }

    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("url", url);
        tokenFile.ifPresent(file -> map.put("token_file", file));
        tls.authorities().ifPresent(file -> map.put("authorities", file.toString()));
        tls.identity().ifPresent(own -> {
            map.put("certificate", own.certificate().toString());
            map.put("certificate_key", own.key().toString());
        });
        map.put("slot", slot);
        return map;
    }
}
