// What can be wrong with a server, each with what to do about it.

export type ServerProblem =
  | "bad_url"
  | "unreachable"
  | "certificate"
  | "no_tls"
  | "proxy"
  | "gateway"
  | "failed"
  | "key_missing"
  | "key_refused"
  | "unknown_model"
  | "no_such_route"
  | "refused"
  | "not_a_server"
  | "slow";

const REMEDIES: Readonly<Record<ServerProblem, string>> = {
  bad_url: "Set fimserve.url to an address such as http://127.0.0.1:8111.",
  unreachable: "Start it (`fimserve serve`), or set fimserve.url.",
  certificate: "Let your system trust its authority (`http.systemCertificates`), or use the name it is for.",
  no_tls: "Set fimserve.url to its address with http://.",
  proxy: "Set http.proxy, or name the server in http.noProxy.",
  gateway: "Start fimserve behind the proxy that answers there.",
  failed: "It broke while answering; its log says why.",
  key_missing: 'Run "fimserve: Sign In" and give an API key.',
  key_refused: 'Run "fimserve: Sign In" and give a key with the scope `complete`.',
  unknown_model: "Set fimserve.model to a served one, or leave it empty.",
  no_such_route: "Set fimserve.url to a server with OpenAI's completions.",
  refused: "Its log says more.",
  not_a_server: "Set fimserve.url to a server with OpenAI's completions.",
  slow: "It is overloaded, or its model is too large for its machine.",
};

/** The server does not complete; asking again as it is will meet the same. */
export class ServerError extends Error {
  constructor(
    readonly problem: ServerProblem,
    message: string,
    readonly status: number | null = null,
  ) {
    super(message);
    this.name = "ServerError";
  }

  get remedy(): string {
    return REMEDIES[this.problem];
  }
}

const MAX_CAUSES = 4;
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/;
const NO_TLS = /ERR_SSL|EPROTO/;

/** Returns what a request that brought no answer has met: its reason lies in what caused it. */
export function toConnectionError(error: unknown, baseUrl: string): ServerError {
  const { code, message } = readCauses(error);
  const why = code === "" ? "" : ` (${code})`;
  if (CERTIFICATE.test(code)) {
    return new ServerError("certificate", `the certificate of ${baseUrl} is not trusted here${why}`);
  }
  if (NO_TLS.test(code)) return new ServerError("no_tls", `${baseUrl} speaks no TLS${why}`);
  if (/proxy/i.test(message)) return new ServerError("proxy", `the proxy does not lead to ${baseUrl}${why}`);
  return new ServerError("unreachable", `${baseUrl} does not answer${why}`);
}

/** Returns the code that is nearest to the reason, and all that is said. */
function readCauses(error: unknown): { code: string; message: string } {
  let code = "";
  const messages: string[] = [];
  let each = error;
  for (let depth = 0; depth < MAX_CAUSES && typeof each === "object" && each !== null; depth += 1) {
    const { code: found, message, cause } = each as { code?: unknown; message?: unknown; cause?: unknown };
    if (typeof found === "string") code = found;
    if (typeof message === "string") messages.push(message);
    each = cause;
  }
  const told = messages.join(" ");
  // Chromium's network names its errors in the message alone.
  return { code: code || (/net::(ERR_\w+)/.exec(told)?.[1] ?? ""), message: told };
}
