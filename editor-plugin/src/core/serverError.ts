// What can be wrong with a server, each with what to do about it.

export type ServerProblem =
  | "unreachable"
  | "failed"
  | "key_missing"
  | "key_refused"
  | "unknown_model"
  | "no_such_route"
  | "refused"
  | "not_a_server"
  | "slow";

const REMEDIES: Readonly<Record<ServerProblem, string>> = {
  unreachable: "Start it (`fimserve serve`), or set fimserve.url.",
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
