package dev.kvcapsule.sessions.compaction;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.kvcapsule.sessions.row.Message;
import dev.kvcapsule.sessions.row.ToolCall;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TemplateTokenizerTest {
    private final List<Map<String, Object>> asked = new ArrayList<>();

    private Map<String, Object> answer(String path, Map<String, Object> body) {
        asked.add(body);
        return path.equals("/apply-template") ? Map.of("prompt", "the prompt") : Map.of("tokens", List.of(1L, 2L, 3L));
    }

    @Test
    void aConversationIsAskedForAsAChatCompletionSendsIt() throws IOException {
        List<Message> messages = List.of(Message.user("go"), Message.assistant("", new ToolCall("c", "rm", "{\"a\":1}")), Message.tool("c", "done"));
        List<Object> tools = List.of(Map.of("type", "function"));
        assertArrayEquals(new int[] {1, 2, 3}, new TemplateTokenizer(this::answer, Map.of("tools", tools)).tokens(messages));
        Map<String, Object> template = asked.getFirst();
        assertEquals(tools, template.get("tools"));
        List<?> sent = (List<?>) template.get("messages");
        assertEquals(Map.of("role", "user", "content", "go"), sent.get(0));
        assertEquals(List.of(Map.of("id", "c", "type", "function", "function", Map.of("name", "rm", "arguments", "{\"a\":1}"))), ((Map<?, ?>) sent.get(1)).get("tool_calls"));
        assertEquals(Map.of("role", "tool", "content", "done", "tool_call_id", "c"), sent.get(2));
        assertEquals("the prompt", asked.get(1).get("content"));
        assertEquals(true, asked.get(1).get("add_special"));
    }

    @Test
    void whatIsNoAnswerIsNamed() {
        for (Map<String, Object> wrong : List.<Map<String, Object>>of(Map.of(), Map.of("prompt", "x"), Map.of("prompt", 1L), Map.of("prompt", "x", "tokens", List.of("a")), Map.of("prompt", "x", "tokens", List.of(-1L)))) {
            assertThrows(IOException.class, () -> new TemplateTokenizer((path, body) -> wrong, Map.of()).tokens(List.of(Message.user("x"))), wrong::toString);
        }
    }
}
