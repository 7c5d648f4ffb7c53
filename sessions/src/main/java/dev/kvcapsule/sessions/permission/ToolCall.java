package dev.kvcapsule.sessions.permission;

/**
 * What a policy decides on.
 *
 * @param scope the permission scope that is active
 * @param identity for whom
 * @param tool its name: 1 to 256 printable characters
 * @param arguments it would be given
 */
public record ToolCall(String scope, Identity identity, String tool, Arguments arguments) {}
