package dev.kvcapsule.sessions.fields;

import java.util.Map;
import org.snakeyaml.engine.v2.api.ConstructNode;
import org.snakeyaml.engine.v2.constructor.ConstructYamlNull;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.resolver.FailsafeScalarResolver;
import org.snakeyaml.engine.v2.resolver.ScalarResolver;
import org.snakeyaml.engine.v2.schema.Schema;

/** YAML whose scalars are all text: a job 0042 would be 42 otherwise, a token of digits lose its leading zeros. What is left out behind a name is null, and so is an empty document. */
final class TextSchema implements Schema {
    @Override
    public ScalarResolver getScalarResolver() {
        return new FailsafeScalarResolver();
    }

    @Override
    public Map<Tag, ConstructNode> getSchemaTagConstructors() {
        return Map.of(Tag.NULL, new ConstructYamlNull());
    }
}
