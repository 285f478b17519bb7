// @modelcontextprotocol/client (TypeScript SDK v2): MODE is legacy, auto, or the revision to pin. See README.md.
import { createRequire } from 'node:module';
import { auth, Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { allTools, connect, MemoryProvider, negotiation, refreshed, run, settings, textOf } from './session.mjs';

const { version } = createRequire(import.meta.url)('./node_modules/@modelcontextprotocol/client/package.json');

await run('ts-v2', async () => {
    const { endpoint, redirectUrl, person, tool, args, mode, refresh } = settings();
    const provider = new MemoryProvider(redirectUrl, 'TypeScript SDK v2');
    const make = () => ({
        client: new Client({ name: 'ts-v2', version: '1.0.0' }, negotiation(mode)),
        transport: new StreamableHTTPClientTransport(endpoint, { authProvider: provider })
    });
    const { client, transport } = await connect(make, provider, person, UnauthorizedError, (finishing, back) =>
        finishing.finishAuth(back)
    );
    const tools = await allTools(client);
    const callText = textOf(await client.callTool({ name: tool, arguments: args }));
    const report = {
        client: '@modelcontextprotocol/client',
        version,
        era: client.getProtocolEra(),
        protocolVersion: client.getNegotiatedProtocolVersion(),
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
