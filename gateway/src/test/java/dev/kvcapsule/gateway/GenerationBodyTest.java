package dev.kvcapsule.gateway;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonObject;
import java.util.OptionalInt;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class GenerationBodyTest {
    private static String in(String body, int slot) {
        return GenerationBody.of(Buffer.buffer(body)).in(slot).toString();
    }

    @Test
    void theRestPassesAsItCame() {
        assertEquals("{\"id_slot\":3}", in("{}", 3));
        assertEquals(" {\"id_slot\":3, \"a\" : 1.50 }\n", in(" { \"a\" : 1.50 }\n", 3));
        assertEquals("{\"id_slot\": 3,\"b\":[1,{\"id_slot\":9}]}", in("{\"id_slot\": 12,\"b\":[1,{\"id_slot\":9}]}", 3));
        assertEquals("{\"id_slot\":3,\"prompt\":\"ä\\u0000\u00e9\"}", in("{\"prompt\":\"ä\\u0000\u00e9\"}", 3));
        assertEquals("{\"x\":1,\"id_slot\":3}", in("{\"x\":1,\"id_slot\":-1}", 3));
    }

    @Test
    void theSlotThatIsAskedForIsFoundUnderAnySpelling() {
        assertEquals(OptionalInt.of(1), GenerationBody.of(Buffer.buffer("{\"id\\u005fslot\":1}")).slot());
        assertEquals("{\"id\\u005fslot\":2}", in("{\"id\\u005fslot\":1}", 2));
        assertEquals(OptionalInt.empty(), GenerationBody.of(Buffer.buffer("{\"id_slot\":-1,\"n\":1,\"n_cmpl\":null}")).slot());
    }

    @Test
    void whatCouldBeReadInTwoWaysIsRefused() {
        for (String body : new String[] {"{\"id_slot\":1,\"id\\u005fslot\":0}", "{\"a\":{\"b\":1,\"b\":2}}", "{\"id_slot\":1e0}", "{\"id_slot\":[0]}", "{\"id_slot\":99999999999}", "{\"n\":3}",
            "{\"n\":\"3\"}", "{\"a\":1", "{\"a\"}", "// x\n{}", "\ufeff[]", "nul"}) {
            assertThrows(RequestException.class, () -> GenerationBody.of(Buffer.buffer(body)), body);
        }
    }

    @Property(tries = 300)
    void anyTextSurvives(@ForAll String text, @ForAll String name, @ForAll @IntRange(min = 0, max = 999) int slot) {
        JsonObject body = new JsonObject().put("p" + name, text).put("q", 1);
        JsonObject sent = new JsonObject(GenerationBody.of(body.toBuffer()).in(slot));
        assertEquals(body.copy().put("id_slot", slot), sent);
    }
}
