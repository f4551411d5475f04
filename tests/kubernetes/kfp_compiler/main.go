// What KFP's API server does with a pipeline when a run of it is created, without the server.
//
// "compile" reads a pipeline and prints the Argo Workflow of a run; its argument is the run's parameters, as JSON.
// "validate" reads an Argo Workflow and checks it as the server does before it gives it to Argo.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kubeflow/pipelines/backend/src/apiserver/model"
	"github.com/kubeflow/pipelines/backend/src/apiserver/template"
	"github.com/kubeflow/pipelines/backend/src/common/util"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	text, err := io.ReadAll(os.Stdin)
	switch {
	case err != nil:
		return err
	case len(arguments) == 2 && arguments[0] == "compile":
		return compile(text, arguments[1])
	case len(arguments) == 1 && arguments[0] == "validate":
		return validate(text)
	}
	return errors.New("usage: kfp-compiler compile PARAMETERS <PIPELINE; kfp-compiler validate <WORKFLOW")
}

func compile(text []byte, parameters string) error {
	pipeline, err := template.New(text)
	if err != nil {
		return err
	}
	run := &model.Run{PipelineSpec: model.PipelineSpec{RuntimeConfig: model.RuntimeConfig{Parameters: parameters}}}
	workflow, err := pipeline.RunWorkflow(run, template.RunWorkflowOptions{RunId: "run"})
	if err != nil {
		return err
	}
	_, err = fmt.Println(workflow.ToStringForStore())
	return err
}

func validate(text []byte) error {
	workflow, err := util.NewExecutionSpecJSON(util.ArgoWorkflow, text)
	if err != nil {
		return err
	}
	return workflow.Validate(false, false)
}
