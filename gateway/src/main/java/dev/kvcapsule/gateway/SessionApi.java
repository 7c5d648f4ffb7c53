package dev.kvcapsule.gateway;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.SessionExport;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.pending.AnswerState;
import dev.kvcapsule.sessions.pending.PendingConflictException;
import dev.kvcapsule.sessions.pending.Turns;
import dev.kvcapsule.sessions.row.CostData;
import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.QuestionState;
import dev.kvcapsule.sessions.row.Session;
import dev.kvcapsule.sessions.row.SubagentCall;
import dev.kvcapsule.sessions.row.Ulid;
import dev.kvcapsule.sessions.store.BranchException;
import dev.kvcapsule.sessions.store.NoSuchSessionException;
import dev.kvcapsule.sessions.store.SessionEdit;
import dev.kvcapsule.sessions.store.SessionExistsException;
import dev.kvcapsule.sessions.store.SessionOwner;
import dev.kvcapsule.sessions.store.SessionStore;
import dev.kvcapsule.sessions.store.Trace;
import dev.kvcapsule.sessions.store.VersionConflictException;
import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import java.io.IOException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Durable sessions, under {@value #PREFIX}. Whose they are comes from the token and nothing else. What a session waits for is an answer with status 409 that shows it; a version
 * that a client names in If-Match must be the session's; a request with an Idempotency-Key happens once.
 */
final class SessionApi {
    static final String PREFIX = CapsuleApi.PREFIX + "sessions";

    private final SessionDatabase database;
    private final SessionPurge purge;
    private final SessionCompaction compaction;
    private final Limits limits;

    SessionApi(SessionDatabase database, SessionPurge purge, SessionCompaction compaction, Limits limits) {
        this.database = database;
        this.purge = purge;
        this.compaction = compaction;
        this.limits = limits;
    }

    static boolean isFor(String path) {
        return path.equals(PREFIX) || path.startsWith(PREFIX + "/");
    }

    /** Serves a request; on its context. */
    void serve(Exchange exchange) {
        exchange.setOperation("sessions");
        exchange.principal().require(Permission.SESSIONS);
        if (exchange.request().method().equals(HttpMethod.POST)) {
            RequestBody.read(exchange, limits).onSuccess(body -> exchange.blocking(() -> answered(exchange, body))).onFailure(exchange::fail);
        } else {
            exchange.blocking(() -> answered(exchange, Buffer.buffer()));
        }
    }

    /** What waits is an answer, too. */
    private void answered(Exchange exchange, Buffer body) throws IOException {
        try {
            route(exchange, body);
        } catch (PendingConflictException e) {
            refused(exchange, 409, e.code(), e.getMessage(), e.toMap());
        } catch (VersionConflictException e) {
            refused(exchange, 412, "version", e.getMessage(), Map.of("version", e.actual()));
        } catch (NoSuchSessionException e) {
            throw new RequestException(404, "not-found", "there is no such session");
        } catch (SessionExistsException e) {
            throw new RequestException(409, "exists", e.getMessage());
        } catch (BranchException e) {
            throw new RequestException(422, "boundary", e.getMessage());
        } catch (MalformedDataException | IllegalArgumentException e) {
            throw new RequestException(400, "malformed", String.valueOf(e.getMessage()));
        } catch (IOException e) {
            exchange.note("failure", String.valueOf(e.getMessage()));
            throw new RequestException(503, "database", "the sessions' database does not answer: try again");
        }
    }

    private static void refused(Exchange exchange, int status, String code, String message, Map<String, Object> details) {
        exchange.metrics().refused(code);
        exchange.note("code", code);
        Map<String, Object> error = new LinkedHashMap<>();
        error.put("code", code);
        error.put("message", message);
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("error", error);
        answer.putAll(details);
        json(exchange, status, answer);
    }

    private static void json(Exchange exchange, int status, Map<String, Object> answer) {
        exchange.answer(status, "application/json", Buffer.buffer(Json.line(answer)));
    }

    private static SessionOwner owner(Exchange exchange) {
        return new SessionOwner(exchange.principal().org(), exchange.principal().user());
    }

    private SessionStore store(Exchange exchange) {
        return database.sessions(owner(exchange));
    }

    private void route(Exchange exchange, Buffer raw) throws IOException {
        String rest = exchange.request().path().substring(PREFIX.length());
        String[] path = rest.isEmpty() ? new String[0] : rest.substring(1).split("/", -1);
        HttpMethod method = exchange.request().method();
        SessionStore store = store(exchange);
        if (path.length == 0 && method.equals(HttpMethod.GET)) {
            list(exchange, store);
        } else if (path.length == 0 && method.equals(HttpMethod.POST)) {
            create(exchange, store, new Fields(raw.length() == 0 ? Map.of() : Json.readObject(raw.toString()), "body"));
        } else if (path.length == 1 && method.equals(HttpMethod.GET)) {
            show(exchange, store, path[0]);
        } else if (path.length == 1 && method.equals(HttpMethod.DELETE)) {
            delete(exchange, path[0]);
        } else if (path.length == 2 && method.equals(HttpMethod.GET) && path[1].equals("export")) {
            export(exchange, store, path[0]);
        } else if (path.length == 2 && method.equals(HttpMethod.GET) && path[1].equals("trace")) {
            require(store, path[0]);
            json(exchange, 200, Map.of("trace", store.traces().list(path[0]).stream().map(Trace::toMap).toList()));
        } else if (path.length == 2 && method.equals(HttpMethod.POST)) {
            change(exchange.principal(), new SessionRequest(exchange, store, path[0], path[1], raw), path[1]);
        } else {
            throw new RequestException(404, "no-route", "no such endpoint; " + CapsuleApi.PREFIX + "openapi.json lists them");
        }
    }

    private static void require(SessionStore store, String id) throws IOException {
        if (!store.exists(id)) {
            throw new NoSuchSessionException(id);
        }
    }

    private static long parameter(Exchange exchange, String name, long usual) {
        String text = exchange.request().getParam(name);
        if (text == null) {
            return usual;
        }
        if (!text.matches("[0-9]{1,18}")) {
            throw new RequestException(400, "usage", name + " is a whole number");
        }
        return Long.parseLong(text);
    }

    private static void list(Exchange exchange, SessionStore store) throws IOException {
        int most = (int) Math.min(1000, parameter(exchange, "limit", 50));
        json(exchange, 200, Map.of("sessions", store.list(most).stream().map(Session::toMap).toList()));
    }

    private static void create(Exchange exchange, SessionStore store, Fields body) throws IOException {
        Session fresh = Session.fresh(body.text("session_id").orElseGet(Ulid::next)).withPermissionScope(body.text("permission_scope"));
        OptionalLong lifetime = body.number("expires_seconds");
        body.end();
        if (lifetime.isPresent() && (lifetime.getAsLong() < 1 || lifetime.getAsLong() > Integer.MAX_VALUE)) {
            throw new RequestException(400, "usage", "expires_seconds is a whole number of at least 1");
        }
        Session made = store.create(lifetime.isPresent() ? fresh.expiring(Optional.of(Instant.now().plusSeconds(lifetime.getAsLong()))) : fresh);
        exchange.response().putHeader("ETag", SessionRequest.etag(made));
        json(exchange, 201, made.toMap());
    }

    /** With {@code since}, only what has changed since that version. */
    private static void show(Exchange exchange, SessionStore store, String id) throws IOException {
        SessionStore.Changes changes = store.changesSince(id, parameter(exchange, "since", 0));
        exchange.response().putHeader("ETag", SessionRequest.etag(changes.session()));
        Map<String, Object> answer = changes.session().toMap();
        answer.put("messages", changes.messages().stream().map(Message::toMap).toList());
        answer.put("messages_are_all", changes.isWhole() || parameter(exchange, "since", 0) == 0);
        json(exchange, 200, answer);
    }

    /** The row, its history, the capsules that the gateway keeps of it, and the keys of all that were ever sealed for it; there may be such though there is no row. */
    private void delete(Exchange exchange, String id) throws IOException {
        SessionPurge.Result removed = purge.of(owner(exchange), id);
        if (!removed.session() && removed.kept() == 0 && removed.revoked().isEmpty()) {
            throw new NoSuchSessionException(id);
        }
        json(exchange, 200, Map.of("deleted", id, "traces", removed.traces(), "capsules", removed.kept(), "revoked", removed.revoked().size()));
    }

    private static void export(Exchange exchange, SessionStore store, String id) throws IOException {
        Buffer lines = Buffer.buffer();
        SessionExport.write(store, id, line -> lines.appendString(line).appendString("\n"));
        exchange.answer(200, "application/jsonl", lines);
    }

    private void change(Principal principal, SessionRequest request, String verb) throws IOException {
        Fields body = request.body();
        switch (verb) {
            case "messages" -> messages(request, body);
            case "question" -> {
                QuestionState question = QuestionState.read(body);
                body.end();
                request.change(Map.of("question_id", question.questionId()), locked -> Turns.ask(locked, question));
            }
            case "answer" -> answer(request, body);
            case "begin" -> {
                String question = body.required("question_id");
                long attempts = body.number("attempts").orElse(0);
                body.end();
                request.change(Map.of("idempotency_key", request.id() + ":" + question, "attempts", attempts + 1), locked -> Turns.begin(locked, question, attempts));
            }
            case "result" -> {
                String question = body.required("question_id");
                String content = body.required("content");
                body.end();
                request.change(Map.of(), locked -> Turns.complete(locked, question, content));
            }
            case "subagents" -> {
                SubagentCall call = SubagentCall.read(body);
                body.end();
                request.change(Map.of("call_id", call.callId()), locked -> Turns.subagent(locked, call));
            }
            case "interrupt" -> {
                body.end();
                request.change(Map.of(), Turns::interrupt);
            }
            case "end-turn" -> {
                body.end();
                request.change(Map.of(), Turns::endTurn);
            }
            case "fork" -> fork(request, body);
            case "revert" -> {
                String to = body.required("message_id");
                body.end();
                request.revert(to);
            }
            case "compact" -> compaction.compact(request, principal, body);
            default -> throw new RequestException(404, "no-route", "no such endpoint; " + CapsuleApi.PREFIX + "openapi.json lists them");
        }
    }

    private static void messages(SessionRequest request, Fields body) throws IOException {
        List<Message> messages = body.list("messages", Message::read);
        Optional<Fields> usage = body.object("usage");
        Optional<CostData> cost = usage.isPresent() ? Optional.of(CostData.of(usage.get().number("prompt_tokens").orElse(0), usage.get().number("cached_tokens").orElse(0),
                usage.get().number("completion_tokens").orElse(0), usage.get().text("model"))) : Optional.empty();
        body.end();
        request.change(Map.of("message_ids", messages.stream().map(Message::id).toList()), locked -> {
            SessionEdit edit = Turns.append(locked, messages);
            return cost.isEmpty() ? edit : edit.with(edit.session().withCost(edit.session().cost().plus(cost.get())));
        });
    }

    private static void answer(SessionRequest request, Fields body) throws IOException {
        String question = body.required("question_id");
        List<String> values = body.texts("values");
        body.end();
        AtomicReference<Optional<AnswerState>> before = new AtomicReference<>(Optional.empty());
        request.change(after -> {
            boolean waits = after.question().map(QuestionState::questionId).equals(Optional.of(question));
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("question_id", question);
            answer.put("state", waits ? "allowed" : "completed");
            if (waits) {
                answer.put("tool_call", after.openToolCall(after.question().orElseThrow().toolCallId()).orElseThrow().toMap());
                answer.put("idempotency_key", request.id() + ":" + question);
                answer.put("attempts", before.get().map(AnswerState::attempts).orElse(0L));
            }
            return answer;
        }, locked -> {
            before.set(Turns.answer(locked, question));
            return Turns.answer(locked, question, values);
        });
    }

    private static void fork(SessionRequest request, Fields body) throws IOException {
        Optional<String> at = body.text("message_id");
        String newId = body.text("session_id").orElseGet(Ulid::next);
        body.end();
        request.fork(at, newId);
    }
}
