-- Types into a buffer of Neovim with `fimserve lsp` attached, and prints what happened as JSON.
--   nvim --headless --clean -l neovim.lua FILE URL COMMAND [ARGUMENT ...]
-- Uses what Neovim 0.11 and 0.12 have in common: the client, its incremental synchronisation and its
-- commands. The grey text itself needs a screen.
local file, url = arg[1], arg[2]
local cmd = vim.list_slice(arg, 3)

vim.o.fileformats = 'unix,dos'
vim.cmd.edit(file)
local bufnr = vim.api.nvim_get_current_buf()
vim.bo.filetype = 'python'
local logs = {}
local client_id = vim.lsp.start({
  name = 'fimserve',
  cmd = cmd,
  root_dir = vim.fs.dirname(file),
  init_options = { url = url },
  capabilities = vim.tbl_deep_extend('force', vim.lsp.protocol.make_client_capabilities(), {
    textDocument = { inlineCompletion = { dynamicRegistration = false } },
  }),
  handlers = {
    ['window/logMessage'] = function(_, result) table.insert(logs, result.message) end,
  },
}, { bufnr = bufnr })
local client = assert(vim.lsp.get_client_by_id(client_id))
assert(vim.wait(20000, function() return client.initialized end), 'not initialised')

-- Each character is an edit of its own, behind an emoji.
local row = 1
local col = #vim.api.nvim_buf_get_lines(bufnr, row, row + 1, true)[1]
for _, char in ipairs({ ' ', '+', ' ' }) do
  vim.api.nvim_buf_set_text(bufnr, row, col, row, col, { char })
  col = col + #char
end
vim.api.nvim_win_set_cursor(0, { row + 1, col })
local units = vim.str_utfindex(vim.api.nvim_get_current_line(), client.offset_encoding, col)
local answers = vim.lsp.buf_request_sync(bufnr, 'textDocument/inlineCompletion', {
  textDocument = vim.lsp.util.make_text_document_params(bufnr),
  position = { line = row, character = units },
  context = { triggerKind = 2 },
}, 20000)
local item = assert(answers[client_id].result, vim.inspect(answers)).items[1]

-- Acceptance, as vim.lsp.inline_completion does it.
local lines = vim.split(item.insertText, '\n')
vim.api.nvim_buf_set_text(bufnr, row, col, row, col, lines)
client:exec_cmd(item.command, { bufnr = bufnr })
vim.wait(1000)

print(vim.json.encode({
  encoding = client.offset_encoding,
  supports = client:supports_method('textDocument/inlineCompletion'),
  start = item.range.start.character,
  lines = vim.api.nvim_buf_get_lines(bufnr, 0, -1, true),
  logs = logs,
}))
client:stop()
vim.wait(5000, function() return client:is_stopped() end)
