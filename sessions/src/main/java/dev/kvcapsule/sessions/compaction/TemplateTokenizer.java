package dev.kvcapsule.sessions.compaction;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.ToolCall;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Has a llama-server say which tokens a conversation is: by the chat template of its model ({@code /apply-template}), as a chat completion would ({@code /tokenize}). */
public final class TemplateTokenizer implements PromptTokenizer {
    /** Asks a llama-server, or a gateway in front of one. */
    public interface Server {
        /** @return the JSON object that it answers */
        Map<String, Object> post(String path, Map<String, Object> body) throws IOException;
    }

    private final Server server;
    private final Map<String, Object> request;

    /** @param request what else the agent's requests say that the template sees, such as {@code tools} */
    public TemplateTokenizer(Server server, Map<String, Object> request) {
        this.server = server;
        this.request = Map.copyOf(request);
    }

    @Override
    public int[] tokens(List<Message> messages) throws IOException {
        Map<String, Object> body = new LinkedHashMap<>(request);
        body.put("messages", messages.stream().map(TemplateTokenizer::chatMessage).toList());
        body.put("add_generation_prompt", false);
        if (!(server.post("/apply-template", body).get("prompt") instanceof String prompt)) {
            throw new IOException("the server's template gives no prompt");
        }
        Map<String, Object> text = new LinkedHashMap<>();
        text.put("content", prompt);
        text.put("add_special", true);
        text.put("parse_special", true);
        if (!(server.post("/tokenize", text).get("tokens") instanceof List<?> tokens)) {
            throw new IOException("the server gives no tokens");
        }
        int[] ids = new int[tokens.size()];
        for (int i = 0; i < ids.length; i++) {
            if (!(tokens.get(i) instanceof Long id) || id < 0 || id > Integer.MAX_VALUE) {
                throw new IOException("the server's tokens are no ids");
            }
            ids[i] = Math.toIntExact(id);
        }
        return ids;
    }

    /** A message as chat completions have it. */
    private static Map<String, Object> chatMessage(Message message) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("role", message.role().label());
        map.put("content", message.content());
        if (!message.toolCalls().isEmpty()) {
            List<Object> calls = new ArrayList<>();
            for (ToolCall call : message.toolCalls()) {
                calls.add(Map.of("id", call.id(), "type", "function", "function", Map.of("name", call.name(), "arguments", call.arguments())));
            }
            map.put("tool_calls", calls);
        }
        message.toolCallId().ifPresent(call -> map.put("tool_call_id", call));
        return map;
    }
}
