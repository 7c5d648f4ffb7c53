/**
 * Verdicts from a Kagenti platform. What is followed is the project's own documentation and code, of July 2026, when it renamed itself Rossoctl: docs/api-authentication.md (roles, endpoints,
 * errors) and, of the backend, app/core/auth.py (tokens, roles and their hierarchy), app/routers/auth.py (userinfo), app/routers/namespaces.py and app/routers/tools.py. The platform has no
 * endpoint that decides on one call; what it demands of whoever invokes a tool through it is what is checked here.
 */
package dev.kvcapsule.sessions.permission.kagenti;
