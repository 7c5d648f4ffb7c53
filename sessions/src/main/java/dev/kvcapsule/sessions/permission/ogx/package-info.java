/** Verdicts of OGX and Llama Stack: shields of Llama Stack 0.7, the moderation endpoint that OGX 1.x has in their place. */
package dev.kvcapsule.sessions.permission.ogx;
