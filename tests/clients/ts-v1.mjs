// @modelcontextprotocol/sdk (TypeScript SDK v1): knows revisions up to 2025-11-25. See README.md for the settings.
import { createRequire } from 'node:module';
import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { allTools, connect, MemoryProvider, refreshed, run, settings, textOf } from './session.mjs';

const { version } = createRequire(import.meta.url)('./node_modules/@modelcontextprotocol/sdk/package.json');

await run('ts-v1', async () => {
    const { endpoint, redirectUrl, person, tool, args, refresh } = settings();
    const provider = new MemoryProvider(redirectUrl, 'TypeScript SDK v1');
    const make = () => ({
        client: new Client({ name: 'ts-v1', version: '1.0.0' }),
        transport: new StreamableHTTPClientTransport(endpoint, { authProvider: provider })
    });
    const { client, transport } = await connect(make, provider, person, UnauthorizedError, (finishing, back) =>
        finishing.finishAuth(back.get('code'))
    );
    const tools = await allTools(client);
    const callText = textOf(await client.callTool({ name: tool, arguments: args }));
    const report = {
        client: '@modelcontextprotocol/sdk',
        version,
        era: 'legacy',
        protocolVersion: transport.protocolVersion,
        scope: provider.tokens().scope,
        tools: tools.length,
        toolNames: tools,
        callText
    };
    if (refresh) {
        const session = transport.sessionId;
        report.refreshed = await refreshed(auth, provider, endpoint);
        report.callTextAfterRefresh = textOf(await client.callTool({ name: tool, arguments: args }));
        report.sameSession = transport.sessionId === session;
    }
    if (transport.sessionId) await transport.terminateSession();
    await client.close();
    return report;
});
