/** Rules written in a policy file: globs over a tool's name, the scope and the arguments; the first that matches decides. */
package dev.kvcapsule.sessions.permission.rules;
