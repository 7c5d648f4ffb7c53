/**
 * Whether a tool may run: {@link dev.kvcapsule.sessions.permission.PermissionSource} answers allow, deny or ask, with the rule that said so and a record of it. What decides is a
 * {@link dev.kvcapsule.sessions.permission.Policy}; whatever goes wrong in one is a deny with its reason. docs/permissions.md has the whole.
 */
package dev.kvcapsule.sessions.permission;
