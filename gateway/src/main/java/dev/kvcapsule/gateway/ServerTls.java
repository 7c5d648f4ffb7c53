package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.PemKeyCertOptions;
import io.vertx.core.net.PemTrustOptions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.Optional;

/**
 * The gateway's own certificate, and whose certificates it looks at: PEM files.
 *
 * @param certificate the gateway's, followed by those of its issuers
 * @param key its private key, PKCS #8, not encrypted
 * @param clients certificates of the authorities that clients' certificates are from; empty asks clients for none
 */
public record ServerTls(Path certificate, Path key, Optional<Path> clients) {
    private static final String KEY_HEADER = "-----BEGIN PRIVATE KEY-----";

    /** @throws MalformedDataException if a file holds something else */
    void apply(HttpServerOptions options) throws IOException {
        checkCertificates(certificate);
        String text = Files.readString(key);
        if (!text.contains(KEY_HEADER)) {
            throw new MalformedDataException(key + " holds no private key as PKCS #8 (" + KEY_HEADER + "): openssl pkcs8 -topk8 -nocrypt makes one");
        }
        PrivateFiles.require(key, "holds a private key");
        options.setSsl(true).setKeyCertOptions(new PemKeyCertOptions().setCertValue(Buffer.buffer(Files.readAllBytes(certificate))).setKeyValue(Buffer.buffer(text)));
        if (clients.isPresent()) {
            checkCertificates(clients.get());
            options.setClientAuth(ClientAuth.REQUEST).setTrustOptions(new PemTrustOptions().addCertValue(Buffer.buffer(Files.readAllBytes(clients.get()))));
        }
    }

    private static void checkCertificates(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            if (CertificateFactory.getInstance("X.509").generateCertificates(in).isEmpty()) {
                throw new MalformedDataException(file + " holds no certificate");
            }
        } catch (CertificateException e) {
            throw new MalformedDataException(file + " holds no certificates in PEM: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())));
        }
    }
}
