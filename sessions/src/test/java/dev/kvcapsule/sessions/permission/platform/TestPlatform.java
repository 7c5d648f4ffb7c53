package dev.kvcapsule.sessions.permission.platform;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A platform on this machine that answers as it is told, one request a connection. */
public final class TestPlatform implements AutoCloseable {
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final ServerSocket server = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private final Behaviour behaviour;

    /** What came in. */
    public record Request(String method, String path, String authorization, String body) {}

    /** What goes out. */
    public record Reply(int status, String body) {
        public static Reply ok(String body) {
            return new Reply(200, body);
        }
    }

    /** Makes answers; one that is null never comes. */
    @FunctionalInterface
    public interface Behaviour {
        Reply reply(Request request);
    }

    public TestPlatform(Behaviour behaviour) throws IOException {
        this.behaviour = behaviour;
        threads.submit(() -> {
            while (true) {
                Socket client = server.accept();
                threads.submit(() -> serve(client));
            }
        });
    }

    private Void serve(Socket client) throws Exception {
        try (client) {
            InputStream in = new BufferedInputStream(client.getInputStream());
            String[] first = line(in).split(" ");
            Map<String, String> headers = new HashMap<>();
            for (String line = line(in); !line.isEmpty(); line = line(in)) {
                headers.put(line.substring(0, line.indexOf(':')).toLowerCase(Locale.ROOT), line.substring(line.indexOf(':') + 1).strip());
            }
            String body = new String(in.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0"))), StandardCharsets.UTF_8);
            Request request = new Request(first[0], first[1], headers.get("authorization"), body);
            requests.add(request);
            Reply reply = behaviour.reply(request);
            if (reply == null) {
                Thread.sleep(60_000);
            } else {
                byte[] bytes = reply.body().getBytes(StandardCharsets.UTF_8);
                String location = reply.status() / 100 == 3 ? "Location: " + url() + "/elsewhere\r\n" : "";
                client.getOutputStream().write(("HTTP/1.1 " + reply.status() + " x\r\nContent-Type: application/json\r\nConnection: close\r\n" + location + "Content-Length: " + bytes.length
                        + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
                client.getOutputStream().write(bytes);
            }
        }
        return null;
    }

    private static String line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
        }
        return line.toString(StandardCharsets.US_ASCII).stripTrailing();
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    public List<Request> requests() {
        return requests;
    }

    @Override
    public void close() throws IOException {
        server.close();
        threads.shutdownNow();
    }
}
