; What is captured becomes the middle; see python.scm for the names. Go has no try and no decorator.

(call_expression) @call
(call_expression arguments: (argument_list) @arguments)

(function_declaration body: (block) @function) @function.outer
(method_declaration body: (block) @function) @function.outer
(func_literal body: (block) @function) @function.outer
(type_declaration (type_spec type: (struct_type (field_declaration_list) @class))) @class.outer
(type_declaration (type_spec type: (interface_type) @class)) @class.outer

[
  (if_statement)
  (expression_switch_statement)
  (type_switch_statement)
  (select_statement)
] @conditional
(for_statement) @loop
(import_spec) @import
(short_var_declaration right: (_) @assignment)
(assignment_statement right: (_) @assignment)
(var_spec value: (_) @assignment)
(const_spec value: (_) @assignment)
(return_statement) @return
(parameter_declaration type: (_) @type)
(function_declaration result: (_) @type)
(method_declaration result: (_) @type)
(field_declaration type: (_) @type)
(var_spec type: (_) @type)
; Go has no templates: a format with its values, or a literal joined with what is computed.
((call_expression
  function: (_) @template_string.name
  arguments: (argument_list (interpreted_string_literal) (_)) @template_string)
  (#match? @template_string.name "f$"))
(binary_expression left: (interpreted_string_literal) operator: "+") @template_string
(binary_expression operator: "+" right: (interpreted_string_literal)) @template_string

((comment) @comment_to_code.comment . (_) @comment_to_code)
[(block) (statement_list)] @block.container
